"""What can be shown to whom: trees, receipts, checkpoints, certificates."""
