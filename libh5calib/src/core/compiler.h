/*
 * compiler.h - what compilers name differently.
 */
#ifndef H5CALIB_COMPILER_H
#define H5CALIB_COMPILER_H

/* gcc and clang ignore __declspec(thread), for Windows too. */
#ifdef _MSC_VER
#define H5CALIB_THREAD_LOCAL __declspec(thread)
#define H5CALIB_INLINE static __forceinline
#define H5CALIB_NOINLINE __declspec(noinline)
#else
#define H5CALIB_THREAD_LOCAL _Thread_local
#define H5CALIB_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define H5CALIB_NOINLINE __attribute__((noinline))
#else
#define H5CALIB_NOINLINE __attribute__((noinline, noclone))
#endif
#endif

#if defined(__GNUC__)
#define H5CALIB_FETCH(address) __builtin_prefetch(address)
#else
#define H5CALIB_FETCH(address) ((void)(address))
#endif

/* Numbers may begin at any byte: they are looked at where they lie in a file. `name` is such a
 * number. */
#if defined(_MSC_VER)
#define H5CALIB_ANYWHERE(type, name) typedef __unaligned type name
#else
#define H5CALIB_ANYWHERE(type, name) typedef type name __attribute__((aligned(1)))
#endif

#endif
