/* hash.h - XXH3 with a secret of the engine's own, so that a sender who does not know it cannot aim at one bucket. */
#ifndef LUNETTE_BASE_HASH_H
#define LUNETTE_BASE_HASH_H

#include "base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash_key {
	uint8_t secret[192]; /* XXH3's default size */
};

static inline void hash_key_init(struct hash_key *key, const uint64_t seed[2])
{
	struct random random = { seed[0] ^ (seed[1] << 32 | seed[1] >> 32) };

	for (size_t i = 0; i < sizeof(key->secret); i += sizeof(uint64_t)) {
		uint64_t word = random_next(&random);

		memcpy(key->secret + i, &word, sizeof(word));
	}
}

static inline uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t size)
{
	return XXH3_64bits_withSecret(bytes, size, key->secret, sizeof(key->secret));
}

#endif
