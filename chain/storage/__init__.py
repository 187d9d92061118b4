"""Where the chain is kept: the key-value port and its engines, block store, state store, HEAD anchor."""
