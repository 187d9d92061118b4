"""Records in the files that departments have: read exactly or refused with the place, and written again.

What comes out of a file is bytes to be signed, so nothing here goes through binary floating point, a locale or a
library's own way to write numbers.
"""
