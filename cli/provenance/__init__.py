"""``blockpool provenance``: where a record comes from and what became of it, as a tree, a picture, and W3C PROV."""

from cli.provenance.command import provenance

__all__ = ["provenance"]
