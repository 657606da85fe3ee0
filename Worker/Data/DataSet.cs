using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Distributed.Worker.Data;

/// <summary>A training and a test set of the same kind of images.</summary>
public sealed record DataSet
{
    /// <summary>Puts the two splits together.</summary>
    /// <exception cref="DataException">They differ in shape, classes or scale.</exception>
    public DataSet(string name, ImageSet train, ImageSet test)
    {
        if (Kind(train) != Kind(test))
            throw new DataException($"{name}: training images are {Kind(train)}, test images {Kind(test)}; they must agree.");
        (Name, Train, Test, Fingerprint) = (name, train, test, FingerprintOf(name, train, test));
    }

    /// <summary>The name under which a job asks for it.</summary>
    public string Name { get; }

    /// <summary>What is trained on.</summary>
    public ImageSet Train { get; }

    /// <summary>What is only evaluated on.</summary>
    public ImageSet Test { get; }

    /// <summary>
    /// Hexadecimal XxHash128 over name, shapes, scale, pixels and labels of both splits: replicas whose fingerprints
    /// differ do not train on the same data. Against mix-ups, not against forgery.
    /// </summary>
    public string Fingerprint { get; }

    private static (int Channels, int Height, int Width, int Classes, float Scale) Kind(ImageSet set) =>
        (set.Channels, set.Height, set.Width, set.Classes, set.Scale);

    private static string FingerprintOf(string name, ImageSet train, ImageSet test)
    {
        var hash = new XxHash128();
        var nameBytes = Encoding.UTF8.GetBytes(name);
        Append(hash, nameBytes.Length);
        hash.Append(nameBytes);
        foreach (var set in (ReadOnlySpan<ImageSet>)[train, test])
        {
            Append(hash, set.Count, set.Channels, set.Height, set.Width, set.Classes, BitConverter.SingleToInt32Bits(set.Scale));
            hash.Append(set.Pixels);
            hash.Append(set.Labels);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static void Append(XxHash128 hash, params ReadOnlySpan<int> values)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        foreach (var value in values)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            hash.Append(bytes);
        }
    }
}
