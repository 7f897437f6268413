"""What the scripts that load a server share: starting a load, and reading what the server measured of it."""

import bisect, json, re, subprocess, sys, urllib.request

# What was asked less often has no 99th percentile: the client of a load reads the model once.
REQUESTS_MIN = 100


def load(binary, server, store, mix, *arguments, prepare=None):
    """The report of one run of `tenure load`, which fails where the server turns requests away. `prepare` runs first in it."""
    command = [binary, "load", "--server", server, "--mix", mix, "--json", *arguments]
    command += ["--store", store, "--skip-write"] if store else ["--keep"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=prepare)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def metrics(server):
    """The lines of /metrics."""
    return urllib.request.urlopen(f"{server}/metrics", timeout=10).read().decode().splitlines()


def measured(server):
    """By route, how many requests took up to how long, by the end of the bucket in seconds; and the answers by status."""
    buckets, statuses = {}, {}
    for line in metrics(server):
        if not (route := re.search(r'\broute="[^"]*\{store_id\}/([^"]+)"', line)):
            continue
        if found := re.match(r'tenure_http_request_duration_seconds_bucket\{.*\ble="([^"]+)".* (\d+)$', line):
            buckets[route[1], float(found[1].replace("+Inf", "inf"))] = int(found[2])
        if found := re.match(r'tenure_http_requests_total\{.*\bstatus="(\d+)".* (\d+)$', line):
            statuses[found[1]] = statuses.get(found[1], 0) + int(found[2])
    return buckets, statuses


def since(before, after):
    return {key: count - before.get(key, 0) for key, count in after.items()}


def by_route(buckets):
    """The same for each route, and for all together."""
    routes = {}
    for (route, end), count in buckets.items():
        routes.setdefault(route, {})[end] = count
        together = routes.setdefault("all", {})
        together[end] = together.get(end, 0) + count
    return {route: ends for route, ends in routes.items() if max(ends.values()) >= REQUESTS_MIN}


def percentile_ms(buckets, part):
    """Between the ends of its bucket as if all were spread evenly there."""
    ends = sorted(buckets)
    counts = [buckets[end] for end in ends]
    wanted = part * counts[-1]
    at = bisect.bisect_left(counts, wanted)
    low, below = (ends[at - 1], counts[at - 1]) if at else (0.0, 0)
    if ends[at] == float("inf"):
        return low * 1000
    return 1000 * (low + (ends[at] - low) * (wanted - below) / max(1, counts[at] - below))
