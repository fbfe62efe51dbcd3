"""Viewers who take all they are given: `python -m bench.video.viewers HOST PORT COUNT`.

Reads "PATH TOKEN" from standard input, asks for it COUNT times at once, again and again as soon as
an answer ends, and throws away what comes. On the next line it says how many bytes came, and ends.
"""

import http.client
import sys
import threading

CHUNK = 1 << 16


def main() -> None:
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    path, token = sys.stdin.readline().split()
    over = threading.Event()
    taken = [0] * count

    def view(number: int) -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection(host, port, timeout=30)
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            while not over.is_set() and (piece := answer.read(CHUNK)):
                taken[number] += len(piece)
            connection.close()

    threads = [threading.Thread(target=view, args=[number], daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    print("looking", flush=True)
    sys.stdin.readline()
    over.set()
    print(sum(taken), flush=True)


if __name__ == "__main__":
    main()
