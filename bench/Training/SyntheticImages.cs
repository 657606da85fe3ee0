using System.Buffers.Binary;

namespace Distributed.Bench.Training;

/// <summary>
/// IDX files in the format of Fashion-MNIST with noise from a fixed seed: the time of a step does not depend on the content of the images,
/// and nothing is downloaded.
/// </summary>
internal static class SyntheticImages
{
    private const int Side = 28, Classes = 10, TestSamples = 128, Seed = 1;

    public static void Write(string folder, int trainSamples)
    {
        Directory.CreateDirectory(folder);
        var random = new Random(Seed);
        Write(folder, "train", trainSamples, random);
        Write(folder, "t10k", TestSamples, random);
    }

    private static void Write(string folder, string split, int samples, Random random)
    {
        var (pixels, labels) = (new byte[samples * Side * Side], new byte[samples]);
        random.NextBytes(pixels);
        for (var i = 0; i < samples; i++) labels[i] = (byte)(i % Classes);
        WriteIdx(Path.Combine(folder, $"{split}-images-idx3-ubyte"), pixels, samples, Side, Side);
        WriteIdx(Path.Combine(folder, $"{split}-labels-idx1-ubyte"), labels, samples);
    }

    private static void WriteIdx(string path, byte[] values, params ReadOnlySpan<int> dimensions)
    {
        using var file = File.Create(path);
        file.Write([0, 0, 8, (byte)dimensions.Length]);
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        foreach (var dimension in dimensions)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes, dimension);
            file.Write(bytes);
        }
        file.Write(values);
    }
}
