/* plain.h - records of the plainest pcap file, without libpcap's two small reads for each.
 *
 * Nearly all captures are pcap 2.4 files in this machine's byte order.  Their records are taken straight out of a large buffer,
 * which costs a fifth of what libpcap's way does.  libpcap opens the file, as any other; and it goes on from the first record
 * that is odd in any way (cut, longer than the file allows, a wild timestamp), so what is made of that is in one place. */
#ifndef LUNETTE_REPLAY_PLAIN_H
#define LUNETTE_REPLAY_PLAIN_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>

struct plain;

/* Takes over a file that libpcap has just opened (as long as the caller leaves that alone); NULL if libpcap is to read it: another
 * format, no regular file, no memory. */
struct plain *plain_new(pcap_t *pcap);

/* The next record, with nanoseconds in `tv_usec`, and its bytes, valid until the next call; false if libpcap, which stands before
 * it then, has to go on. */
bool plain_next(struct plain *plain, struct pcap_pkthdr *header, const uint8_t **data);

/* Bytes of the file that are read. */
uint64_t plain_place(const struct plain *plain);

void plain_free(struct plain *plain);

#endif
