/* A small registry client for benchmarks: pulls and pushes blobs over raw sockets, one thread a client, so
 * that the client is not what is measured.  Loopback only; bounded in count and time.
 *
 *   load pull 127.0.0.1:PORT PATH CLIENTS COUNT
 *   load push 127.0.0.1:PORT REPOSITORY CLIENTS COUNT SIZE_BYTES SEED
 *   load idle 127.0.0.1:PORT PATH CONNECTIONS HEADS
 *
 * Prints {"requests":…,"bytes":…,"seconds":…}, of pushes also "p99_ms", from a POST to the 201.  Bytes to
 * push are made, and hashed, before the clock starts; different seeds give different blobs, and one larger
 * than a block is that block again and again.  Pulled bytes are counted and dropped in the kernel.  `idle`
 * opens CONNECTIONS, asks once over each, leaves them open and then sends HEADS requests over one more; it
 * prints {"open":…,"p99_ms":…}, and ends when its standard input does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define COUNT_MAX 100000
#define SIZE_MAX_BYTES (1024 * 1024 * 1024L)
#define TIME_MAX_S 120
#define HEAD_MAX 16384
#define BLOCK_BYTES (4 * 1024 * 1024L)
#define IDLE_MAX 20000

typedef struct {
  struct sockaddr_in address;
  const char *path; /* of a blob, or a repository */
  gboolean push;
  guint count;
  gsize size;
  guint64 seed;
  guint8 *data; /* a block of each blob of a pushing client, one after the other */
  char **digests;
  gint64 *times; /* of each push, in microseconds */
  guint64 bytes; /* moved */
} Client;

typedef struct {
  int fd;
  char head[HEAD_MAX];
  gsize head_size;
  gsize body_in_head; /* bytes of the body that came with the head */
  int status;
  guint64 length;
} Reply;

static void
die (const char *what)
{
  fprintf (stderr, "load: %s: %s\n", what, errno ? g_strerror (errno) : "unexpected answer");
  exit (1);
}

static int
connect_to (const struct sockaddr_in *address)
{
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = { .tv_sec = 60 };
  int on = 1;
  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0
      || setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0
      || setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0
      || connect (fd, (const struct sockaddr *) address, sizeof *address) != 0)
    die ("connect");
  return fd;
}

static void
send_all (int fd, const void *data, gsize size)
{
  const char *at = data;
  while (size > 0)
    {
      ssize_t n = send (fd, at, size, MSG_NOSIGNAL);
      if (n <= 0)
        die ("send");
      at += n;
      size -= (gsize) n;
    }
}

static const char *
find_header (const Reply *reply, const char *name, gsize *out_size)
{
  gsize length = strlen (name);
  for (const char *line = strstr (reply->head, "\r\n"); line != NULL && line[2] != '\r';
       line = strstr (line + 2, "\r\n"))
    if (g_ascii_strncasecmp (line + 2, name, length) == 0 && line[2 + length] == ':')
      {
        const char *value = line + 3 + length;
        value += strspn (value, " ");
        *out_size = strcspn (value, "\r");
        return value;
      }
  return NULL;
}

static void
read_head (Reply *reply)
{
  const char *end = NULL;
  reply->head_size = 0;
  do
    {
      ssize_t n = recv (reply->fd, reply->head + reply->head_size, HEAD_MAX - 1 - reply->head_size, 0);
      if (n <= 0)
        die ("receive");
      reply->head_size += (gsize) n;
      reply->head[reply->head_size] = '\0';
      end = strstr (reply->head, "\r\n\r\n");
    }
  while (end == NULL && reply->head_size < HEAD_MAX - 1);
  gsize size = 0;
  const char *length = end != NULL ? find_header (reply, "Content-Length", &size) : NULL;
  if (end == NULL || sscanf (reply->head, "HTTP/1.1 %3d", &reply->status) != 1)
    die ("answer");
  reply->length = length != NULL ? g_ascii_strtoull (length, NULL, 10) : 0;
  reply->body_in_head = reply->head_size - (gsize) (end + 4 - reply->head);
}

static void
drop_body (Reply *reply)
{
  guint64 left = reply->length - MIN (reply->length, reply->body_in_head);
  while (left > 0)
    {
      /* MSG_TRUNC: TCP drops the bytes instead of copying them. */
      ssize_t n = recv (reply->fd, NULL, MIN (left, 4 * 1024 * 1024), MSG_TRUNC);
      if (n <= 0)
        die ("receive");
      left -= (guint64) n;
    }
}

static void
expect (Reply *reply, int status)
{
  read_head (reply);
  if (reply->status != status)
    {
      fprintf (stderr, "load: HTTP %d, expected %d\n%.2000s\n", reply->status, status, reply->head);
      exit (1);
    }
  drop_body (reply);
}

static void
pull (Client *client, Reply *reply)
{
  g_autofree char *request
      = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", client->path);
  for (guint i = 0; i < client->count; i++)
    {
      send_all (reply->fd, request, strlen (request));
      expect (reply, 200);
      client->bytes += reply->length;
    }
}

/* The path of the Location header, ready for `digest=…`. */
static char *
upload_path (const Reply *reply)
{
  gsize size = 0;
  const char *value = find_header (reply, "Location", &size);
  if (value == NULL)
    die ("Location");
  g_autofree char *url = g_strndup (value, size);
  const char *host = strstr (url, "://");
  const char *path = host != NULL ? strchr (host + 3, '/') : url;
  return g_strconcat (path, strchr (path, '?') != NULL ? "&" : "?", NULL);
}

static gsize
block_size (const Client *client)
{
  return MIN (client->size, (gsize) BLOCK_BYTES);
}

static void
send_blob (Client *client, int fd, guint i)
{
  gsize block = block_size (client);
  for (gsize sent = 0; sent < client->size; sent += block)
    send_all (fd, client->data + i * block, MIN (block, client->size - sent));
}

static void
push (Client *client, Reply *reply)
{
  g_autofree char *start = g_strdup_printf ("POST /v2/%s/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n"
                                            "Content-Length: 0\r\n\r\n",
                                            client->path);
  for (guint i = 0; i < client->count; i++)
    {
      gint64 started = g_get_monotonic_time ();
      send_all (reply->fd, start, strlen (start));
      expect (reply, 202);
      g_autofree char *path = upload_path (reply);
      g_autofree char *head = g_strdup_printf (
          "PUT %sdigest=%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
          "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
          path, client->digests[i], client->size);
      send_all (reply->fd, head, strlen (head));
      send_blob (client, reply->fd, i);
      expect (reply, 201);
      client->times[i] = g_get_monotonic_time () - started;
      client->bytes += client->size;
    }
}

static gpointer
run_client (gpointer data)
{
  Client *client = data;
  g_autofree Reply *reply = g_new0 (Reply, 1);
  reply->fd = connect_to (&client->address);
  if (client->push)
    push (client, reply);
  else
    pull (client, reply);
  close (reply->fd);
  return NULL;
}

/* xorshift64*: quick, and nothing that a file system or a server could compress or share. */
static void
fill (guint8 *data, gsize size, guint64 seed)
{
  guint64 x = seed * 0x9E3779B97F4A7C15u + 1;
  for (gsize i = 0; i < size; i += 8)
    {
      x ^= x >> 12;
      x ^= x << 25;
      x ^= x >> 27;
      guint64 word = x * 0x2545F4914F6CDD1Du;
      memcpy (data + i, &word, MIN (8, size - i));
    }
}

static char *
digest_of_blob (const Client *client, guint i)
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  guint8 hash[EVP_MAX_MD_SIZE];
  GString *text = g_string_new ("sha256:");
  gsize block = block_size (client);
  int ok = context != NULL && EVP_DigestInit_ex (context, EVP_sha256 (), NULL);
  for (gsize done = 0; ok && done < client->size; done += block)
    ok = EVP_DigestUpdate (context, client->data + i * block, MIN (block, client->size - done));
  if (!ok || !EVP_DigestFinal_ex (context, hash, NULL))
    die ("sha256");
  EVP_MD_CTX_free (context);
  for (int j = 0; j < 32; j++)
    g_string_append_printf (text, "%02x", hash[j]);
  return g_string_free (text, FALSE);
}

static gpointer
make_blobs (gpointer data)
{
  Client *client = data;
  gsize size = client->count * block_size (client);
  client->data = g_malloc (size);
  client->digests = g_new0 (char *, client->count + 1);
  client->times = g_new0 (gint64, client->count + 1);
  fill (client->data, size, client->seed);
  for (guint i = 0; i < client->count; i++)
    client->digests[i] = digest_of_blob (client, i);
  return NULL;
}

static double
run_all (GThreadFunc func, Client *clients, guint n)
{
  GThread *threads[CLIENTS_MAX];
  gint64 start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new ("client", func, &clients[i]);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  return (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

static guint64
number (const char *text, guint64 max)
{
  guint64 value = 0;
  if (!g_ascii_string_to_unsigned (text, 10, 0, max, &value, NULL))
    {
      fprintf (stderr, "load: %s: expected a number up to %" G_GUINT64_FORMAT "\n", text, max);
      exit (2);
    }
  return value;
}

static struct sockaddr_in
loopback (const char *text)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  g_auto (GStrv) parts = g_strsplit (text, ":", 2);
  if (g_strv_length (parts) != 2 || inet_pton (AF_INET, parts[0], &address.sin_addr) != 1
      || (ntohl (address.sin_addr.s_addr) >> 24) != 127)
    {
      fprintf (stderr, "load: %s: only 127.x.y.z:PORT is ever loaded\n", text);
      exit (2);
    }
  address.sin_port = htons ((guint16) number (parts[1], G_MAXUINT16));
  return address;
}

/* ---- times ---- */

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;
  return (left > right) - (left < right);
}

/* Sorts them. */
static double
p99_ms (gint64 *times, gsize n)
{
  qsort (times, n, sizeof *times, compare_times);
  return n > 0 ? (double) times[n * 99 / 100] / 1000 : 0;
}

static double
p99_of_pushes (const Client *clients, guint n)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gint64));
  for (guint i = 0; i < n; i++)
    g_array_append_vals (all, clients[i].times, clients[i].count);
  return p99_ms ((gint64 *) (void *) all->data, all->len);
}

/* ---- idle ---- */

static void
ask_head (Reply *reply, const char *request)
{
  send_all (reply->fd, request, strlen (request));
  read_head (reply);
  if (reply->status != 200)
    die ("HEAD");
}

static void
print (json_t *result)
{
  json_dumpf (result, stdout, JSON_COMPACT);
  putchar ('\n');
  fflush (stdout);
  json_decref (result);
}

static int
idle (char **argv)
{
  struct sockaddr_in address = loopback (argv[2]);
  guint open = (guint) number (argv[4], IDLE_MAX), heads = (guint) number (argv[5], COUNT_MAX);
  struct rlimit limit = { open + 64, open + 64 };
  g_autofree char *request
      = g_strdup_printf ("HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[3]);
  g_autofree int *fds = g_new (int, open + 1);
  g_autofree gint64 *times = g_new (gint64, heads + 1);
  g_autofree Reply *reply = g_new0 (Reply, 1);
  if (setrlimit (RLIMIT_NOFILE, &limit) != 0)
    die ("descriptor limit");
  for (guint i = 0; i <= open; i++)
    {
      fds[i] = reply->fd = connect_to (&address);
      ask_head (reply, request);
    }
  for (guint i = 0; i < heads; i++)
    {
      gint64 start = g_get_monotonic_time ();
      ask_head (reply, request);
      times[i] = g_get_monotonic_time () - start;
    }
  print (json_pack ("{s:I, s:f}", "open", (json_int_t) open, "p99_ms", p99_ms (times, heads)));
  while (getchar () != EOF)
    ;
  for (guint i = 0; i <= open; i++)
    close (fds[i]);
  return 0;
}

int
main (int argc, char **argv)
{
  gboolean pushes = argc == 8 && g_str_equal (argv[1], "push");
  alarm (TIME_MAX_S);
  if (argc == 6 && g_str_equal (argv[1], "idle"))
    return idle (argv);
  if (!pushes && !(argc == 6 && g_str_equal (argv[1], "pull")))
    {
      fputs ("usage: load pull 127.0.0.1:PORT PATH CLIENTS COUNT\n"
             "       load push 127.0.0.1:PORT REPOSITORY CLIENTS COUNT SIZE_BYTES SEED\n"
             "       load idle 127.0.0.1:PORT PATH CONNECTIONS HEADS\n",
             stderr);
      return 2;
    }
  Client clients[CLIENTS_MAX] = { 0 };
  guint n = (guint) number (argv[4], CLIENTS_MAX);
  for (guint i = 0; i < n; i++)
    clients[i] = (Client){
      .address = loopback (argv[2]),
      .path = argv[3],
      .push = pushes,
      .count = (guint) number (argv[5], COUNT_MAX),
      .size = pushes ? (gsize) number (argv[6], SIZE_MAX_BYTES) : 0,
      .seed = pushes ? number (argv[7], G_MAXUINT32) * CLIENTS_MAX + i : 0,
    };
  if (pushes)
    run_all (make_blobs, clients, n);
  double seconds = run_all (run_client, clients, n);
  guint64 bytes = 0, requests = 0;
  double p99 = pushes ? p99_of_pushes (clients, n) : 0;
  for (guint i = 0; i < n; i++)
    {
      bytes += clients[i].bytes;
      requests += clients[i].count;
      g_free (clients[i].data);
      g_strfreev (clients[i].digests);
      g_free (clients[i].times);
    }
  json_t *told = json_pack ("{s:I, s:I, s:f}", "requests", (json_int_t) requests, "bytes",
                            (json_int_t) bytes, "seconds", seconds);
  if (pushes)
    json_object_set_new (told, "p99_ms", json_real (p99));
  print (told);
  return 0;
}
