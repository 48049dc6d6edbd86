/* exposition.c - Prometheus' text format.  What stands in a label may come from a policy, so it is escaped. */
#include "control/exposition.h"

static const uint64_t NS_PER_S = UINT64_C(1000000000);

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(FILE *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_name(FILE *out, const char *name, const struct label *labels)
{
	fputs(name, out);
	for (size_t i = 0; labels && labels[i].name; i++) {
		fprintf(out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		put_value(out, labels[i].value);
		fputc('"', out);
	}
	fputs(labels && labels[0].name ? "} " : " ", out);
}

void exposition_count(FILE *out, const char *name, const struct label *labels, uint64_t value)
{
	put_name(out, name, labels);
	fprintf(out, "%llu\n", (unsigned long long)value);
}

void exposition_seconds(FILE *out, const char *name, const struct label *labels, uint64_t ns)
{
	put_name(out, name, labels);
	fprintf(out, "%llu.%09llu\n", (unsigned long long)(ns / NS_PER_S), (unsigned long long)(ns % NS_PER_S));
}
