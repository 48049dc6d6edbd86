/* client.c - asking a running agent over its control socket (<lunette/control.h> has what is said there). */
#include "cli/client.h"

#include "cli/command.h"

#include <errno.h>
#include <lunette/control.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_S = 10 /* with an agent that says nothing */, PATIENCE_ENDLESS = 0 /* as the socket option has it */ };

/* A socket to the agent, or -1 and errno. */
static int connect_to(const char *path, int patience_s)
{
	const struct timeval patience = { .tv_sec = patience_s };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, problem;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	problem = errno;
	close(fd);
	errno = problem;
	return -1;
}

static FILE *open_for(const char *path, int patience_s)
{
	char own[LUN_CONTROL_PATH];
	FILE *connection;
	int fd;

	path = path ? path : lun_control_path(own);
	fd = connect_to(path, patience_s);
	connection = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!connection)
		fprintf(stderr, "lunette: %s: %s%s\n", path, strerror(errno),
			errno == ENOENT || errno == ECONNREFUSED ? "; does an agent run in this network namespace?" : "");
	return connection;
}

FILE *client_open(const char *path)
{
	return open_for(path, PATIENCE_S);
}

/* An agent that has gone is found out by who reads its answer. */
static void send_request(int fd, cJSON *request)
{
	char *line = cJSON_PrintUnformatted(request);

	if (line && send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line))
		send(fd, "\n", 1, MSG_NOSIGNAL);
	cJSON_free(line);
	cJSON_Delete(request);
}

/* One line of the answer; false if it is an error, which is printed, or no JSON. */
static bool take_line(const char *line, bool raw, client_object_fn *on_object, void *user, bool *complete)
{
	cJSON *object = cJSON_Parse(line);
	const cJSON *problem = cJSON_GetObjectItemCaseSensitive(object, "error");
	bool good = cJSON_IsObject(object) && !problem;

	*complete = *complete || cJSON_HasObjectItem(object, "summary");
	if (!good)
		fprintf(stderr, "lunette: the agent says: %s\n", cJSON_IsString(problem) ? problem->valuestring : line);
	else if (raw)
		fputs(line, stdout);
	else
		on_object(user, object);
	cJSON_Delete(object);
	return good;
}

int client_exchange(FILE *connection, cJSON *request, bool raw, client_object_fn *on_object, void *user)
{
	bool good = true, complete = false;
	char *line = NULL;
	size_t size = 0;

	send_request(fileno(connection), request);
	while (good && !complete && getline(&line, &size, connection) > 0)
		good = take_line(line, raw, on_object, user, &complete);
	free(line);
	if (good && !complete)
		fprintf(stderr, "lunette: the agent broke off its answer\n");
	return !good ? EXIT_BAD_INPUT : complete ? EXIT_DONE : EXIT_SYSTEM_REFUSED;
}

static int ask_for(const char *path, cJSON *request, bool raw, client_object_fn *on_object, void *user, int patience_s)
{
	FILE *connection = open_for(path, patience_s);
	int result;

	if (!connection) {
		cJSON_Delete(request);
		return EXIT_SYSTEM_REFUSED;
	}
	result = client_exchange(connection, request, raw, on_object, user);
	fclose(connection);
	return result;
}

int client_ask(const char *path, cJSON *request, bool raw, client_object_fn *on_object, void *user)
{
	return ask_for(path, request, raw, on_object, user, PATIENCE_S);
}

int client_wait(const char *path, cJSON *request, bool raw, client_object_fn *on_object, void *user)
{
	return ask_for(path, request, raw, on_object, user, PATIENCE_ENDLESS);
}
