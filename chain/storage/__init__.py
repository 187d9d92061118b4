"""Where the chain is kept: the key-value port and its databases, block store, state store, HEAD anchor."""
