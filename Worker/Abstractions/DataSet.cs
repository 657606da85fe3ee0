using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Distributed.Core;

namespace Distributed.Worker.Abstractions;

/// <summary>A training and a test set of the same kind of samples.</summary>
public sealed record DataSet
{
    /// <summary>Puts the two splits together.</summary>
    /// <exception cref="DataException">They differ in format.</exception>
    public DataSet(string name, SampleSet train, SampleSet test)
    {
        if (train.Format != test.Format)
            throw new DataException($"{name}: training samples are {train.Format}, test samples {test.Format}; they must agree.");
        (Name, Train, Test, Fingerprint) = (name, train, test, FingerprintOf(name, train, test));
    }

    /// <summary>The name under which a job asks for it.</summary>
    public string Name { get; }

    /// <summary>What is trained on.</summary>
    public SampleSet Train { get; }

    /// <summary>What is only evaluated on.</summary>
    public SampleSet Test { get; }

    /// <summary>
    /// Hexadecimal XxHash128 over name, formats, inputs and targets of both splits: replicas whose fingerprints
    /// differ do not train on the same data. Against mix-ups, not against forgery.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>The classes' names, in their order; none where a target is no class.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>What people want to know of how it was read.</summary>
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
