"""``blockpool demo``: four departments on one machine, through loss and recovery, with every claim checked."""
