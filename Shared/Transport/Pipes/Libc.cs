using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Transport.Pipes;

/// <summary>System calls of Linux that .NET does not offer without blocking or allocation.</summary>
internal static unsafe partial class Libc
{
    internal const short PollIn = 1, PollOut = 4, PollError = 8, PollHangUp = 16;
    internal const int DontWait = 0x40, NoSignal = 0x4000;
    internal const int Interrupted = 4, WouldBlock = 11;
    internal const int ReadWrite = 3, MapShared = 1;
    internal const uint CloseOnExec = 1, AllowSealing = 2;
    internal const int AddSeals = 1033, GetSeals = 1034;
    internal const int EventCloseOnExec = 0x80000, EventNonBlocking = 0x800;

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    internal static partial nint Receive(int socket, byte* buffer, nuint length, int flags);
    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    internal static partial nint SendMessage(int socket, MessageHeader* message, int flags);
    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);
    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int CreateMemoryFile(string name, uint flags);
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int Control(SafeFileHandle file, int command, int argument);
    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint Map(nint address, nuint length, int protection, int flags, SafeFileHandle file, nint offset);
    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    internal static partial int Unmap(nint address, nuint length);
    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int CreateEvent(uint count, int flags);
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(SafeFileHandle file, ulong* value, nuint length);
    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(SafeFileHandle file, ulong* value, nuint length);

    internal struct Piece
    {
        internal void* Start;
        internal nuint Length;
    }

    // struct msghdr of a 64-bit system.
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal Piece* Pieces;
        internal nuint Count;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    internal struct PollDescriptor
    {
        internal int Descriptor;
        internal short Events;
        internal short Reported;
    }
}
