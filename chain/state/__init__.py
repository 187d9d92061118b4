"""What the chain knows after a block: entries, their keys, and the tree over them."""
