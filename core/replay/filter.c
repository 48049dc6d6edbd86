/* filter.c - libpcap's filter language, over IP packets. */
#include "replay/filter.h"
#include "base/fail.h"

#include <lunette/replay.h>
#include <stdlib.h>

struct lun_filter {
	struct bpf_program program;
};

int filter_compile(struct bpf_program *program, const struct filter_source *source, struct lun_error *error)
{
	pcap_t *shape = pcap_open_dead(source->link_type, UINT16_MAX);
	int code = 0;

	if (!shape)
		code = fail(error, LUN_NO_MEMORY, "filter %.200s: %s", source->text, lun_strerror(LUN_NO_MEMORY));
	else if (pcap_compile(shape, program, source->code, source->optimize, PCAP_NETMASK_UNKNOWN) < 0)
		code = fail(error, LUN_BAD_ARGUMENT, "filter %.200s: %s", source->text, pcap_geterr(shape));
	if (shape)
		pcap_close(shape);
	return code;
}

bool filter_run(const struct bpf_program *program, const uint8_t *data, uint32_t length, uint32_t wire_length)
{
	const struct pcap_pkthdr header = { .caplen = length, .len = wire_length > length ? wire_length : length };

	return pcap_offline_filter(program, &header, data) != 0;
}

int lun_filter_new(struct lun_filter **result, const char *text, struct lun_error *error)
{
	const struct filter_source source = { .code = text, .text = text, .link_type = DLT_RAW, .optimize = true };
	struct lun_filter *filter = calloc(1, sizeof(*filter));
	int code;

	if (!filter)
		return fail(error, LUN_NO_MEMORY, "filter %.200s: %s", text, lun_strerror(LUN_NO_MEMORY));
	code = filter_compile(&filter->program, &source, error);
	if (code < 0)
		free(filter);
	else
		*result = filter;
	return code;
}

bool lun_filter_holds(const struct lun_filter *filter, const uint8_t *data, uint32_t length, uint32_t wire_length)
{
	return !filter || filter_run(&filter->program, data, length, wire_length);
}

void lun_filter_free(struct lun_filter *filter)
{
	if (!filter)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}
