using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Distributed.Core;

namespace Distributed.Worker.Abstractions;

/// <summary>A training set and a test set of samples of the same format.</summary>
public sealed record DataSet
{
    /// <summary>Combines both sets and computes <see cref="Fingerprint"/>, which reads all samples.</summary>
    /// <param name="name">See <see cref="Name"/>.</param>
    /// <param name="train">The samples for training.</param>
    /// <param name="test">The samples for evaluation.</param>
    /// <exception cref="DataException">The formats differ.</exception>
    public DataSet(string name, SampleSet train, SampleSet test)
    {
        if (train.Format != test.Format)
            throw new DataException($"{name}: training samples are {train.Format}, test samples {test.Format}; they must agree.");
        (Name, Train, Test, Fingerprint) = (name, train, test, FingerprintOf(name, train, test));
    }

    /// <summary>The name in a job file, such as digits; the kind for a user's own files, such as csv.</summary>
    public string Name { get; }

    /// <summary>The samples for training.</summary>
    public SampleSet Train { get; }

    /// <summary>The samples for evaluation only.</summary>
    public SampleSet Test { get; }

    /// <summary>
    /// XxHash128 of the name, the formats, the inputs and the targets of both sets: 32 lower-case hexadecimal digits. Workers with
    /// different fingerprints do not train together. It detects mistakes, not forgery.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>Names of the classes, in the order of their numbers; empty if targets are no classes.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Sentences for the user about how the data was read, such as skipped samples.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    private static string FingerprintOf(string name, SampleSet train, SampleSet test)
    {
        var hash = new XxHash128();
        var nameBytes = Encoding.UTF8.GetBytes(name);
        Append(hash, nameBytes.Length);
        hash.Append(nameBytes);
        train.AppendTo(hash);
        test.AppendTo(hash);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    internal static void Append(XxHash128 hash, params ReadOnlySpan<int> values)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        foreach (var value in values)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            hash.Append(bytes);
        }
    }
}
