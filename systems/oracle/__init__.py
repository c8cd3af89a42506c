"""The clairvoyant schedule."""
