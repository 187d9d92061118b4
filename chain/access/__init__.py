"""Who may read: the rules, and the history of reads."""
