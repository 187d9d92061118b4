"""Who may read: access contracts and sealing.

The sandbox that runs contracts, the library of ready ones, and the sealing of parcels with a key that is split among
the validators are complete as libraries and tested. Datasets, transactions and reads do not use them yet: this
version takes open parcels only (``chain.execution`` refuses others).
"""
