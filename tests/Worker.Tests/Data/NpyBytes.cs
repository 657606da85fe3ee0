using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Distributed.Worker.Tests.Data;

/// <summary>Arrays in NumPy's format as bytes, written independently of the reader.</summary>
internal static class NpyBytes
{
    public static byte[] Of<T>(string type, int[] shape, ReadOnlySpan<T> values, int major = 1) where T : unmanaged =>
        Of($"{{'descr': '{type}', 'fortran_order': False, 'shape': ({string.Concat(shape.Select(size => $"{size}, "))}), }}".Replace(
            ", ), }", shape.Length == 1 ? ",), }" : "), }", StringComparison.Ordinal),
            MemoryMarshal.AsBytes(values), major);

    public static byte[] Of(string header, ReadOnlySpan<byte> content, int major = 1)
    {
        var prefix = major == 1 ? 10 : 12;
        // The padding of NumPy.
        var text = Encoding.UTF8.GetBytes(header.PadRight((((prefix + header.Length + 1 + 63) / 64) * 64) - prefix - 1) + "\n");
        var start = new byte[prefix];
        ((ReadOnlySpan<byte>)[0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', (byte)major, 0]).CopyTo(start);
        if (major == 1) BinaryPrimitives.WriteUInt16LittleEndian(start.AsSpan(8), (ushort)text.Length);
        else BinaryPrimitives.WriteUInt32LittleEndian(start.AsSpan(8), (uint)text.Length);
        return [.. start, .. text, .. content];
    }
}
