#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Counts guests: each pCPU gets as many as the others, whatever they do; a guest moves only off one that has too many."""
import sys
import time
from collections import defaultdict

import libvirt

conn = libvirt.open("qemu:///system")
interval = int(sys.argv[1])
before = {}
while True:
    cpus = conn.getInfo()[2]
    on, free, used = defaultdict(list), [], 0.0
    for dom in sorted(conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE), key=lambda d: d.name()):
        allowed = [c for c, may in enumerate(dom.vcpus()[1][0][:cpus]) if may]
        if len(allowed) == 1:
            on[allowed[0]].append(dom)
        else:
            free.append(dom)
        spent = dom.info()[4]
        used += (spent - before.get(dom.UUIDString(), spent)) / 1e9 / interval
        before[dom.UUIDString()] = spent
    # Nothing is pinned before there is a load.
    if used > 0.5:
        for cpu in list(on):
            fair = (sum(map(len, on.values())) + len(free) + cpus - 1) // cpus
            while len(on[cpu]) > fair:
                free.append(on[cpu].pop())
        for dom in free:
            cpu = min(range(cpus), key=lambda c: len(on[c]))
            on[cpu].append(dom)
            dom.pinVcpu(0, tuple(c == cpu for c in range(cpus)))
    time.sleep(interval)
