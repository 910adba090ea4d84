#include "base/http_failure.h"

#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/error.h"

/* An authority of the same name with another key: libcurl then knows no more than that a signature was wrong. */
static gboolean
has_namesake (const RpHttpFailure *failure)
{
  return failure->code == CURLE_SSL_CONNECT_ERROR
         && strstr (failure->detail, "asn1 encoding routines::EVP lib") != NULL;
}

static gboolean
is_untrusted (const RpHttpFailure *failure)
{
  return failure->code == CURLE_PEER_FAILED_VERIFICATION || has_namesake (failure);
}

/* Why the certificate is refused and what to do. */
static const char *
explain_certificate (const RpHttpFailure *failure)
{
  switch (has_namesake (failure) ? X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
                                 : failure->verify_result)
    {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED: /* so libcurl, which compares names itself */
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is for another name: use the address that it was made for, or have one made for "
             "this address (subjectAltName)";
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired: renew it there, or set the clock of this machine if that is wrong";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet: set the clock of this machine if that is wrong";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "nobody whom this machine trusts vouches for its certificate: name the certificate of its "
             "authority with --ca-file or REPOINT_CA_FILE (an agent: ca_file in agent.yaml)";
    default:
      return "its certificate cannot be trusted: renew it there";
    }
}

static gboolean
mixes_up_schemes (const RpHttpFailure *failure)
{
  return failure->code == CURLE_SSL_CONNECT_ERROR
         && (strstr (failure->detail, "wrong version number") != NULL
             || strstr (failure->detail, "packet length too long") != NULL);
}

static RpErrorCode
code_of (const RpHttpFailure *failure)
{
  if (is_untrusted (failure))
    return RP_ERROR_UNTRUSTED;
  switch (failure->code)
    {
    case CURLE_OPERATION_TIMEDOUT:
      return RP_ERROR_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return RP_ERROR_INVALID;
    case CURLE_SSL_CACERT_BADFILE:
      return RP_ERROR_UNTRUSTED;
    default:
      return RP_ERROR_UNREACHABLE;
    }
}

void
rp_http_explain (const RpHttpFailure *failure, const char *what, const char *ca_file, GError **error)
{
  const char *detail
      = *failure->detail != '\0' ? failure->detail : curl_easy_strerror (failure->code);
  const char *advice = "", *colon = "", *cause = "";

  if (failure->code == CURLE_COULDNT_CONNECT && failure->os_errno != 0)
    {
      colon = ": ";
      cause = g_strerror ((int) failure->os_errno);
    }
  if (failure->code == CURLE_ABORTED_BY_CALLBACK)
    detail = "cancelled";
  else if (is_untrusted (failure))
    detail = explain_certificate (failure);
  else if (mixes_up_schemes (failure))
    detail = "what answers there does not speak TLS: use http:// if that is meant";
  else if (failure->code == CURLE_GOT_NOTHING && strstr (what, " http://") != NULL)
    advice = "; if it speaks TLS, use https://";
  else if (failure->code == CURLE_SSL_CONNECT_ERROR && strstr (what, " https://") != NULL)
    advice = "; if it does not speak TLS, use http://";
  if (failure->code == CURLE_SSL_CACERT_BADFILE)
    g_set_error (error, RP_ERROR, RP_ERROR_UNTRUSTED,
                 "%s: %s holds no certificate in PEM, or cannot be read", what,
                 ca_file != NULL ? ca_file : "the list of the system's authorities");
  else
    g_set_error (error, RP_ERROR, (int) code_of (failure), "%s: %s%s%s%s", what, detail, colon, cause,
                 advice);
}
