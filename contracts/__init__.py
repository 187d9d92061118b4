"""Who may read: access contracts and sealing.

Open datasets need neither, and this version takes open parcels only (``chain.execution`` refuses others). Sandboxed
contracts, sealed parcels and key shares have their place here.
"""
