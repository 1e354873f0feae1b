"""The shell: time, disk, processes. Carries out what the core decides and never decides itself."""
