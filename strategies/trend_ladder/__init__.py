"""A ladder of maker entries with a take-profit each, long or short as told or as the trend says."""
