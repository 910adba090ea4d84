/* Is this a build with a sanitizer?  Those look at their own process from outside and start a program that gives
 * addresses names, so that whatever keeps a process from doing such things must let go there. */
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RP_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RP_SANITIZED 1
#endif
#endif
#ifndef RP_SANITIZED
#define RP_SANITIZED 0
#endif
