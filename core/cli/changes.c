/* changes.c - see changes.h.
 *
 * The folder is watched, not the file: editors and those who mount configuration put a new file in its place, and modules that it
 * requires are beside it.  An event says only that something happened there; whether it matters is seen by what the files are:
 * names, sizes, places on the disk and times of all Lua files, and of lists.  So what SIGHUP has loaded already is not loaded
 * again, and a log file in the same folder costs a look now and then. */
#include "cli/changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SETTLE_MS = 300, FOLDER_SIZE = 4096 };

static uint64_t mix(uint64_t sum, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return sum;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int folder_of(const char *policy, char folder[FOLDER_SIZE])
{
	int length = (int)(base_name(policy) - policy);
	int needed = snprintf(folder, FOLDER_SIZE, "%.*s", length ? length : 2, length ? policy : "./");

	return needed < FOLDER_SIZE ? 0 : UV_ENAMETOOLONG;
}

static bool is_ours(const char *name, const char *policy)
{
	const char *dot = strrchr(name, '.');

	return strcmp(name, policy) == 0 || (dot && dot != name && (strcmp(dot, ".lua") == 0 || strcmp(dot, ".list") == 0));
}

static uint64_t number_of(const char *name, const struct stat *status)
{
	uint64_t number = mix(UINT64_C(0xcbf29ce484222325), name, strlen(name));

	number = mix(number, &status->st_ino, sizeof(status->st_ino));
	number = mix(number, &status->st_size, sizeof(status->st_size));
	return mix(number, &status->st_mtim, sizeof(status->st_mtim));
}

/* A number that is another one, all but surely, as soon as one of the files is.  Where the folder may not be listed, which an agent
 * that has given up its privileges may find, the policy's own file has to do. */
static uint64_t look(const char *policy)
{
	char folder[FOLDER_SIZE];
	DIR *directory = folder_of(policy, folder) == 0 ? opendir(folder) : NULL;
	struct dirent *entry;
	struct stat status;
	uint64_t sum = 0;

	if (!directory)
		return stat(policy, &status) == 0 ? number_of(policy, &status) : 0;
	while ((entry = readdir(directory)) != NULL)
		if (is_ours(entry->d_name, base_name(policy)) && fstatat(dirfd(directory), entry->d_name, &status, 0) == 0)
			sum += number_of(entry->d_name, &status); /* in whatever order they are listed */
	closedir(directory);
	return sum;
}

static void on_settled(uv_timer_t *timer)
{
	struct changes *changes = timer->data;

	if (look(changes->policy) != changes->seen)
		changes->changed(changes->user);
}

static void on_event(uv_fs_event_t *folder, const char *name, int events, int status)
{
	struct changes *changes = folder->data;

	(void)name;
	(void)events;
	(void)status;
	uv_timer_start(&changes->settled, on_settled, SETTLE_MS, 0);
}

int changes_init(struct changes *changes, uv_loop_t *loop, const char *policy, void (*changed)(void *user), void *user)
{
	char folder[FOLDER_SIZE];
	int code = folder_of(policy, folder);

	*changes = (struct changes) { .policy = policy, .changed = changed, .user = user };
	uv_timer_init(loop, &changes->settled);
	uv_fs_event_init(loop, &changes->folder);
	changes->settled.data = changes->folder.data = changes;
	return code < 0 ? code : uv_fs_event_start(&changes->folder, on_event, folder, 0);
}

void changes_note(struct changes *changes)
{
	changes->seen = look(changes->policy);
}

void changes_close(struct changes *changes)
{
	uv_close((uv_handle_t *)&changes->settled, NULL);
	uv_close((uv_handle_t *)&changes->folder, NULL);
}
