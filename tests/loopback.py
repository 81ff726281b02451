"""Refuses every network address but this machine's own.

Run in the test process and in each notebook's kernel.
"""

import ipaddress
import sys


def _is_loopback(host):
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(args[1], tuple):  # a Unix socket's path, or no address
            return
        host = args[1][0]
    else:
        return
    if not _is_loopback(host):
        raise ConnectionRefusedError(f"the tests use no network: {event} to {host!r} is refused")


sys.addaudithook(_refuse)
