"""What the person at the terminal sees, and what paper mode needs beside the actors."""
