"""A way to a server on loopback that breaks off once, after so many bytes, and is a good one from then on.

    with Cutting(server.port, after=1_000_000, sent=False) as way:    # of what is received; or of what is sent
        tool("pull", f"{way.address}/shop/web:1.0")
        way.requests                    # the head of each request, as text: plain HTTP only
"""

import re
import socket
import threading


class Cutting:
    def __init__(self, port, after, sent=False):
        self.port, self.after, self.sent = port, after, sent
        self.cuts = 0
        self._said = bytearray()
        self._lock = threading.Lock()
        self._open = set()
        self._threads = []

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)  # ends the accept()
        self._socket.close()
        with self._lock:
            for link in self._open:
                _end(link)
        for thread in self._threads:
            thread.join()

    @property
    def requests(self):
        with self._lock:
            text = self._said.decode("latin-1")
        return re.findall(r"(?:GET|HEAD|POST|PATCH|PUT|DELETE) /[^\r\n]* HTTP/1\.1\r\n.*?\r\n\r\n", text, re.S)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                here = self._socket.accept()[0]
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.port))
            with self._lock:
                self._open |= {here, there}
            self._start(self._pump, here, there, True)
            self._start(self._pump, there, here, False)

    def _pump(self, source, target, sent):
        """One direction of a connection, to its end or the cut."""
        count = 0
        try:
            while data := source.recv(65536):
                count += len(data)
                with self._lock:
                    if sent:
                        self._said += data
                    cut = not self.cuts and sent == self.sent and count > self.after
                    self.cuts += cut
                if cut:
                    break
                target.sendall(data)
        except OSError:
            pass
        _end(source)
        _end(target)


def _end(link):
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
