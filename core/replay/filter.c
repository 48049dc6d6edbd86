/* filter.c - libpcap's filter language, over IP packets. */
#include "base/fail.h"

#include <lunette/replay.h>
#include <pcap/pcap.h>
#include <stdlib.h>

struct lun_filter {
	struct bpf_program program;
};

int lun_filter_new(struct lun_filter **result, const char *text, struct lun_error *error)
{
	pcap_t *shape = pcap_open_dead(DLT_RAW, UINT16_MAX);
	struct lun_filter *filter = calloc(1, sizeof(*filter));
	int code = 0;

	if (!shape || !filter)
		code = fail(error, LUN_NO_MEMORY, "filter %.200s: %s", text, lun_strerror(LUN_NO_MEMORY));
	else if (pcap_compile(shape, &filter->program, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		code = fail(error, LUN_BAD_ARGUMENT, "filter %.200s: %s", text, pcap_geterr(shape));
	if (shape)
		pcap_close(shape);
	if (code < 0)
		free(filter);
	else
		*result = filter;
	return code;
}

bool lun_filter_holds(const struct lun_filter *filter, const uint8_t *data, uint32_t length, uint32_t wire_length)
{
	const struct pcap_pkthdr header = { .caplen = length, .len = wire_length > length ? wire_length : length };

	return !filter || pcap_offline_filter(&filter->program, &header, data) != 0;
}

void lun_filter_free(struct lun_filter *filter)
{
	if (!filter)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}
