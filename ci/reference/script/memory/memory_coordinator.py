#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Keeps 256 MiB usable in each guest, in steps of 32 MiB; never looks at the host."""
import sys
import time

import libvirt

STEP = 32 * 1024
KEEP = 256 * 1024

conn = libvirt.open("qemu:///system")
while True:
    for dom in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        dom.setMemoryStatsPeriod(1)
        stats = dom.memoryStats()
        if "usable" not in stats:
            continue
        size = stats["actual"]
        if stats["usable"] < KEEP:
            size = min(size + STEP, dom.maxMemory())
        elif stats["usable"] > KEEP + STEP:
            size = size - STEP
        if size != stats["actual"]:
            dom.setMemory(size)
    time.sleep(int(sys.argv[1]))
