"""What moved since the reference was taken, by how much, and whether that is a regression."""
