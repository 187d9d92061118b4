"""What a member signs."""
