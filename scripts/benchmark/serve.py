"""Load test of a running `docre serve` on this machine: python -m scripts.benchmark.serve http://127.0.0.1:8000

Sends every text once one at a time, then all at once, and prints how many answers came, the seconds from request to
answer (p50, p99), and texts a second. The answers are compared with each other.
"""

import argparse
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from docre.core import cli
from docre.errors import DocreError

SENTENCES = (
    "Ada Lovelace was born in London.",
    "Charles Babbage studied at the University of Cambridge.",
    "Barack Obama was born in Honolulu, the capital of Hawaii.",
    "In 2008 Obama was elected to lead the United States.",
)


def ask(host: str, port: int, text: str) -> tuple[int, str, float]:
    """Status, answer and seconds of one request."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection(host, port, timeout=120)
    try:
        connection.request("POST", "/extract", json.dumps({"text": text}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read().decode()
    except OSError as error:
        return 0, str(error), time.perf_counter() - start
    finally:
        connection.close()
    return answer.status, content, time.perf_counter() - start


def measure(host: str, port: int, texts: list[str], at_once: int) -> list[str]:
    """Send the texts, `at_once` of them in flight, print a line of numbers, and return the answers."""
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda text: ask(host, port, text), texts))
    total = time.perf_counter() - start
    seconds = sorted(each for _, _, each in found)
    answered = sum(status == 200 for status, _, _ in found)
    p50, p99 = (seconds[min(len(seconds) - 1, int(len(seconds) * p))] for p in (0.5, 0.99))
    print(
        f"{at_once:>4} in flight: {answered} of {len(texts)} answered, p50 {p50:.3f} s, p99 {p99:.3f} s, "
        f"{len(texts) / total:.1f} texts/s"
    )
    return [content for _, content, _ in found]


def main() -> None:
    """Run the load test."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark.serve", description=__doc__)
    parser.add_argument("url", help="address of the server, on this machine")
    parser.add_argument("--requests", type=int, default=200, help="requests, and how many are in flight (default: 200)")
    options = parser.parse_args()
    url = urlsplit(options.url)
    try:
        port = url.port
    except ValueError:  # no number from 0 to 65535
        port = None
    if url.hostname not in ("127.0.0.1", "localhost", "::1") or not port:
        raise DocreError(f"{options.url}: expected an address on this machine, as http://127.0.0.1:8000")
    if not 1 <= options.requests <= 1000:
        raise DocreError(f"--requests: expected 1 to 1000, got {options.requests}")
    texts = [f"{' '.join(SENTENCES)} This is letter {i}." for i in range(options.requests)]
    ask(url.hostname, port, texts[0])
    alone = measure(url.hostname, port, texts, 1)
    together = measure(url.hostname, port, texts, options.requests)
    print(f"answers with the same entities: {sum(map(same_entities, alone, together))} of {len(texts)}")


def same_entities(a: str, b: str) -> bool:
    """Whether two answers have the same text and entities."""
    first, second = json.loads(a), json.loads(b)
    return bool("text" in first and [first["text"], first["entities"]] == [second.get("text"), second.get("entities")])


if __name__ == "__main__":
    cli.run(main)
