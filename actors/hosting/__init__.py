"""A process that can become any actor, and the words in which it is spoken to. Nothing here knows of Ray."""
