"""Who may read: access contracts and sealing.

The sandbox that runs contracts, how the chain asks it (``policy``), the library of ready contracts, the replay of
verdicts, and the sealing of parcels with a key that is split among the validators.
"""
