"""Tools that belong to no room: files, text, parsing, hashing, plug-ins."""
