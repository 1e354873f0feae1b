"""The whole group in one process on virtual time: real machine, actors, journals and venues, one seed, one outcome."""
