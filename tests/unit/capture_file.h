/* capture_file.h - captures written by hand, byte by byte: what libpcap reads is not made by libpcap. */
#ifndef LUNETTE_UNIT_CAPTURE_FILE_H
#define LUNETTE_UNIT_CAPTURE_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ull

struct capture_file {
	uint8_t bytes[1 << 20];
	size_t size;
	char path[64]; /* once saved */
};

static inline void capture_put(struct capture_file *file, const void *bytes, size_t size)
{
	if (file->size + size > sizeof(file->bytes))
		abort();
	if (size)
		memcpy(file->bytes + file->size, bytes, size);
	file->size += size;
}

static inline void capture_put32(struct capture_file *file, uint32_t value)
{
	capture_put(file, &value, 4);
}

/* A pcap file with nanoseconds, in this machine's byte order. */
static inline void capture_begin(struct capture_file *file, uint32_t link_type)
{
	const uint32_t header[6] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 65535, link_type };

	file->size = 0;
	capture_put(file, header, sizeof(header));
}

/* A frame of `wire` bytes, of which `size` were captured. */
static inline void capture_frame(struct capture_file *file, uint64_t time, const void *frame, uint32_t size, uint32_t wire)
{
	const uint32_t header[4] = { (uint32_t)(time / SECOND), (uint32_t)(time % SECOND), size, wire };

	capture_put(file, header, sizeof(header));
	capture_put(file, frame, size);
}

/* The same as pcapng: section header, then an interface of nanoseconds, then enhanced packet blocks. */
static inline void capture_begin_ng(struct capture_file *file)
{
	const uint32_t section[7] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28 };

	file->size = 0;
	capture_put(file, section, sizeof(section));
}

static inline void capture_interface_ng(struct capture_file *file, uint32_t link_type)
{
	const uint32_t block[8] = { 1, 32, link_type, 65535, 9 | 1 << 16, 9, 0, 32 }; /* option 9, if_tsresol: 10^-9 */

	capture_put(file, block, sizeof(block));
}

static inline void capture_frame_ng(struct capture_file *file, uint32_t interface, uint64_t time, const void *frame,
				    uint32_t size)
{
	uint32_t padded = (size + 3) / 4 * 4;
	const uint32_t block[7] = { 6, 32 + padded, interface, (uint32_t)(time >> 32), (uint32_t)time, size, size };

	capture_put(file, block, sizeof(block));
	capture_put(file, frame, size);
	capture_put(file, "\0\0\0", padded - size);
	capture_put32(file, 32 + padded);
}

/* Writes it to a new temporary file, and returns its path; to be removed by capture_remove. */
static inline const char *capture_save(struct capture_file *file)
{
	FILE *stream;
	int descriptor;

	strcpy(file->path, "/tmp/lunette-unit-XXXXXX");
	descriptor = mkstemp(file->path);
	stream = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
	if (!stream || fwrite(file->bytes, 1, file->size, stream) != file->size || fclose(stream) != 0)
		abort();
	return file->path;
}

static inline void capture_remove(struct capture_file *file)
{
	unlink(file->path);
}

#endif
