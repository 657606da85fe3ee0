using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Transport.Pipes;

/// <summary>The place of a link's memory, sent by its maker.</summary>
/// <param name="Boot">Boot id of the kernel: only processes of the same boot can share memory.</param>
/// <param name="Process">Id of the maker in its own pid namespace.</param>
internal readonly record struct LinkMemoryOffer(Guid Boot, int Process, int Descriptor, UInt128 Secret, long Bytes);

// The memory of one link between two processes of a host: a secret, a flag for each end, and a ring of slots each way. It has no name in
// any file system and disappears when both processes have ended or unmapped it. Its size is sealed, so that no end can remove pages.
internal sealed unsafe class LinkMemory : SafeHandleZeroOrMinusOneIsInvalid
{
    private const string Name = "distributed-link";
    // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW.
    private const int Seals = 1 | 2 | 4;
    private const int ControlBytes = 4096;
    private const int FlagOffset = 128;
    private const int RingOffset = 512;
    private const int Size = ControlBytes + 2 * FrameRing.Bytes;

    private static readonly Guid _boot = ReadBoot();

    private SafeFileHandle? _file;

    private LinkMemory(nint start) : base(ownsHandle: true) => SetHandle(start);

    public LinkMemoryOffer Offer { get; private init; }

    public static LinkMemory? TryCreate()
    {
        var file = new SafeFileHandle(Libc.CreateMemoryFile(Name, Libc.CloseOnExec | Libc.AllowSealing), ownsHandle: true);
        LinkMemory? memory = null;
        try
        {
            if (file.IsInvalid) return null;
            RandomAccess.SetLength(file, Size);
            if (Libc.Control(file, Libc.AddSeals, Seals) != 0 || Map(file) is not { } start) return null;
            var secret = BinaryPrimitives.ReadUInt128LittleEndian(RandomNumberGenerator.GetBytes(16));
            BinaryPrimitives.WriteUInt128LittleEndian(new((byte*)start, 16), secret);
            var offer = new LinkMemoryOffer(_boot, Environment.ProcessId, (int)file.DangerousGetHandle(), secret, Size);
            return memory = new(start) { _file = file, Offer = offer };
        }
        catch (IOException)
        {
            return null;
        }
        finally
        {
            if (memory is null) file.Dispose();
        }
    }

    public static LinkMemory? TryOpen(in LinkMemoryOffer offer)
    {
        if (offer.Boot != _boot || offer.Boot == default || offer.Bytes != Size) return null;
        var path = $"/proc/{offer.Process}/fd/{offer.Descriptor}";
        try
        {
            // In another pid namespace the id is that of another process, whose files must not be opened.
            if (new FileInfo(path).LinkTarget?.StartsWith($"/memfd:{Name}", StringComparison.Ordinal) != true) return null;
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            if (!IsSealed(file) || RandomAccess.GetLength(file) != Size || Map(file) is not { } start) return null;
            var memory = new LinkMemory(start) { Offer = offer };
            if (BinaryPrimitives.ReadUInt128LittleEndian(new((byte*)start, 16)) == offer.Secret) return memory;
            memory.Dispose();
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // Of the ring that the maker, or else the other end, writes.
    internal FrameRing Ring(bool ofMaker)
    {
        var number = ofMaker ? 0 : 1;
        return new(
            (byte*)handle + RingOffset + number * FrameRing.CounterBytes,
            (byte*)handle + ControlBytes + number * FrameRing.Bytes);
    }

    internal int* Flag(bool ofMaker) => (int*)(handle + (ofMaker ? 1 : 2) * FlagOffset);

    public void CloseFile() => _file?.Dispose();

    protected override void Dispose(bool disposing)
    {
        if (disposing) CloseFile();
        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle() => Libc.Unmap(handle, Size) == 0;

    // A hardened system adds a seal of its own.
    private static bool IsSealed(SafeFileHandle file) =>
        Libc.Control(file, Libc.GetSeals, 0) is >= 0 and var seals && (seals & Seals) == Seals;

    private static nint? Map(SafeFileHandle file) =>
        Libc.Map(0, Size, Libc.ReadWrite, Libc.MapShared, file, 0) is var start and not -1 ? start : null;

    private static Guid ReadBoot()
    {
        try
        {
            return Guid.TryParse(File.ReadAllText("/proc/sys/kernel/random/boot_id"), out var boot) ? boot : default;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }
}
