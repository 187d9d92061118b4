"""The daemon: it carries out what consensus asks for, on real sockets, disks and clocks."""
