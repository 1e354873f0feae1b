"""The edge: wire, signing, parsing. One folder a venue, the same file names in each. Decides nothing."""
