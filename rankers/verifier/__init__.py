"""A verifier that learns: how likely a program is right, by features that a user without tests could compute."""
