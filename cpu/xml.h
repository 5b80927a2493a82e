/* SPDX-License-Identifier: MIT */
/* What the scheduler needs out of libvirt's two XML documents. Strings in, structs out. */
#ifndef BALLAST_CPU_XML_H
#define BALLAST_CPU_XML_H

#include <stdbool.h>
#include <stddef.h>

/* Of a guest's settings for controllers. */
#define XML_POLICY_NAMESPACE "urn:ballast:policy:1"

/* cgroup v1's default of cpu.shares. */
#define XML_SHARES_DEFAULT 1024.0

/* Where a pCPU is. Levels that the document does not name are −1. */
struct xml_pcpu {
	int id;
	int core;  /* the lowest id of its sibling threads */
	int cache; /* bank of the last-level cache */
	int node;
};

/*
 * Reads the topology out of a capabilities document (virConnectGetCapabilities). Returns how many
 * pCPUs, with *pcpus (to be freed) by ascending id; −1 if the document is not one.
 */
int xml_read_topology(const char *capabilities, struct xml_pcpu **pcpus);

/* vCPUs a guest can have at most. */
#define XML_VCPUS_MOST 4096

/* What a guest's document (virDomainGetXMLDesc) says about how it is to be scheduled. */
struct xml_guest {
	bool managed;	      /* <ballast:policy manage="no"> opts out */
	double weight;	      /* cputune shares, 1024 being 1, if they are given; else 1 */
	double cap_pct;	      /* cputune quota of its period, per vCPU; 100: none */
	int node;	      /* numatune's, if it is one; else −1 */
	bool emulator_pinned; /* its emulator's threads are told where to run */
	unsigned char
		realtime[XML_VCPUS_MOST / 8]; /* a map of vCPUs whose vcpusched is fifo or rr */
};

/* 0, or −1 with *guest at its defaults if the document is not one. */
int xml_read_guest(const char *domain, struct xml_guest *guest);

#endif
