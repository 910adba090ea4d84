#include "server/flight.h"

#include <unistd.h>

#include "base/clock.h"
#include "server/http.h"

#define TELL_BYTES (256 * 1024)     /* followers are woken after so much */
#define BLOCK_BYTES (64 * 1024)     /* asked for at a time */
#define TELL_US (G_USEC_PER_SEC / 2) /* ... or so long */

RpFlight *
rp_flight_new (RpFlightKind kind, const char *key, const char *repository, const char *reference,
               const char *actor, gpointer place)
{
  RpFlight *flight = g_new0 (RpFlight, 1);

  g_atomic_ref_count_init (&flight->refs);
  g_mutex_init (&flight->lock);
  flight->kind = kind;
  flight->key = g_strdup (key);
  flight->repository = g_strdup (repository);
  flight->reference = g_strdup (reference);
  flight->actor = g_strdup (actor);
  flight->place = place;
  flight->fd = -1;
  flight->waiting = g_ptr_array_new ();
  flight->followers = g_ptr_array_new ();
  return flight;
}

RpFlight *
rp_flight_ref (RpFlight *flight)
{
  g_atomic_ref_count_inc (&flight->refs);
  return flight;
}

void
rp_flight_unref (RpFlight *flight)
{
  if (flight == NULL || !g_atomic_ref_count_dec (&flight->refs))
    return;
  if (flight->fd >= 0)
    close (flight->fd);
  g_ptr_array_unref (flight->waiting);
  g_ptr_array_unref (flight->followers);
  g_mutex_clear (&flight->lock);
  g_clear_error (&flight->error);
  g_free (flight->warning);
  g_free (flight->key);
  g_free (flight->repository);
  g_free (flight->reference);
  g_free (flight->actor);
  g_free (flight);
}

/* With the lock held. */
static void
wake_followers (RpFlight *flight)
{
  flight->told_bytes = flight->here_bytes;
  flight->told_us = rp_clock_monotonic_us ();
  for (guint i = 0; i < flight->followers->len; i++)
    MHD_resume_connection (flight->followers->pdata[i]);
  g_ptr_array_set_size (flight->followers, 0);
}

/* With the lock held. */
static void
wake_waiting (RpFlight *flight)
{
  for (guint i = 0; i < flight->waiting->len; i++)
    rp_http_again (flight->waiting->pdata[i]);
  g_ptr_array_set_size (flight->waiting, 0);
}

void
rp_flight_join (RpFlight *flight, RpRequest *request)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  g_ptr_array_add (flight->waiting, request);
  if (flight->state != RP_FLIGHT_ASKING)
    wake_waiting (flight);
}

void
rp_flight_flow (RpFlight *flight, int fd, guint64 size_bytes)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  if (flight->fd >= 0)
    close (flight->fd);
  flight->fd = fd;
  flight->generation++;
  flight->here_bytes = 0;
  flight->size_bytes = size_bytes;
  flight->state = RP_FLIGHT_FLOWING;
  wake_waiting (flight);
  wake_followers (flight);
}

void
rp_flight_progress (RpFlight *flight, guint64 here_bytes)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  flight->here_bytes = here_bytes;
  if (here_bytes - flight->told_bytes >= TELL_BYTES
      || rp_clock_monotonic_us () - flight->told_us >= TELL_US)
    wake_followers (flight);
}

void
rp_flight_land (RpFlight *flight, RpFlightOutcome outcome, char *warning, GError *error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  flight->outcome = outcome;
  flight->warning = warning;
  flight->error = error;
  flight->state = RP_FLIGHT_LANDED;
  wake_waiting (flight);
  wake_followers (flight);
}

gboolean
rp_flight_flows (RpFlight *flight, guint64 *out_size)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  *out_size = flight->size_bytes;
  if (flight->error != NULL)
    return FALSE;
  return flight->fd >= 0 || (flight->kind == RP_FLIGHT_BLOB_SIZE && flight->state == RP_FLIGHT_LANDED);
}

RpFlightOutcome
rp_flight_outcome (RpFlight *flight, char **out_warning)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);

  *out_warning = g_strdup (flight->warning);
  return flight->outcome;
}

/* ---- following ---- */

typedef struct {
  RpFlight *flight;
  struct MHD_Connection *connection;
  guint64 first, end; /* of the blob: what this client gets */
  guint generation;
} Follower;

static void
free_follower (void *data)
{
  Follower *follower = data;

  rp_flight_unref (follower->flight);
  g_free (follower);
}

/* Up to where this one may be sent by now: its last byte only when all is verified. */
static guint64
limit_of (const Follower *follower)
{
  const RpFlight *flight = follower->flight;

  if (flight->state == RP_FLIGHT_LANDED)
    return follower->end;
  return MIN (flight->here_bytes, follower->end - 1);
}

/* libmicrohttpd calls this on the event loop; with the lock held while it suspends, no wake-up is lost. */
static ssize_t
read_follower (void *data, uint64_t position, char *buffer, size_t size)
{
  Follower *follower = data;
  RpFlight *flight = follower->flight;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&flight->lock);
  guint64 at = follower->first + position, limit;
  ssize_t got;

  if (flight->error != NULL || (position > 0 && follower->generation != flight->generation))
    return MHD_CONTENT_READER_END_WITH_ERROR;
  follower->generation = flight->generation;
  limit = limit_of (follower);
  if (at >= limit)
    {
      g_ptr_array_add (flight->followers, follower->connection);
      MHD_suspend_connection (follower->connection);
      return 0;
    }
  got = pread (flight->fd, buffer, (size_t) MIN ((guint64) size, limit - at), (off_t) at);
  return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

void
rp_flight_follow (RpFlight *flight, RpRequest *request, int status, const char *content_type,
                  guint64 offset, guint64 size)
{
  Follower *follower = g_new0 (Follower, 1);
  struct MHD_Response *response;

  follower->flight = rp_flight_ref (flight);
  follower->connection = request->connection;
  follower->first = offset;
  follower->end = offset + size;
  response = MHD_create_response_from_callback (size, BLOCK_BYTES, read_follower, follower,
                                                free_follower);
  if (response == NULL)
    free_follower (follower);
  rp_respond_with (request, status, content_type, response, size);
}
