"""What can be found out about blocks and transactions without the state, and the processes that do it: ahead of an
audit, beside a node's event loop.
"""
