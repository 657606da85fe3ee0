using System.Globalization;
using System.IO.Compression;
using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// The embedded data set: 1797 grey 8×8 images of handwritten digits (Alpaydin and Kaynak, 1998; see
/// Embedded/README.md). Every sample whose number % 5 is 4 is a test sample: 1438 to train on, 359 to test on.
/// </summary>
internal static class Digits
{
    /// <summary>The name under which a job asks for it.</summary>
    public const string Name = "digits";

    private const int Samples = 1797, Side = 8, SampleSize = Side * Side, Brightest = 16, Classes = 10, TestEvery = 5;
    private const string Resource = "digits.csv.gz";

    /// <summary>What its images are like, known without reading them.</summary>
    public static ImageFormat Format { get; } = new(1, Side, Side, Classes, 1f / Brightest);

    /// <exception cref="DataException">The file in this build is damaged.</exception>
    public static DataSet Load()
    {
        using var resource = typeof(Digits).Assembly.GetManifestResourceStream(Resource)
            ?? throw new DataException($"This build lacks the embedded file {Resource}.");
        using var text = new StreamReader(new GZipStream(resource, CompressionMode.Decompress));
        return Parse(text);
    }

    /// <summary>Reads 1797 lines of 64 pixels 0..16 and a label 0..9, separated by commas.</summary>
    /// <exception cref="DataException">Anything else, with its line and column (both from 1).</exception>
    public static DataSet Parse(TextReader csv)
    {
        var train = new Split(Samples - Samples / TestEvery);
        var test = new Split(Samples / TestEvery);
        Span<byte> row = stackalloc byte[SampleSize + 1];
        for (var i = 0; i < Samples; i++)
        {
            var line = csv.ReadLine() ?? throw new DataException($"{Resource}: ends after {i} lines; expected {Samples}.");
            ParseLine(line, i + 1, row);
            (i % TestEvery == TestEvery - 1 ? test : train).Add(row);
        }
        if (csv.ReadLine() is not null) throw new DataException($"{Resource}: has more than {Samples} lines.");
        return new DataSet(Name, train.ToImageSet(), test.ToImageSet());
    }

    private static void ParseLine(string line, int lineNumber, Span<byte> row)
    {
        var fields = line.Split(',');
        if (fields.Length != row.Length)
            throw new DataException($"{Resource}: line {lineNumber} has {fields.Length} values; expected {row.Length}.");
        for (var i = 0; i < row.Length; i++)
        {
            var largest = i < SampleSize ? Brightest : Classes - 1;
            if (!byte.TryParse(fields[i], NumberStyles.None, CultureInfo.InvariantCulture, out row[i]) || row[i] > largest)
                throw new DataException($"{Resource}: line {lineNumber}, column {i + 1} is '{fields[i]}'; allowed are 0 to {largest}.");
        }
    }

    private sealed class Split(int count)
    {
        private readonly byte[] _pixels = new byte[count * SampleSize];
        private readonly byte[] _labels = new byte[count];
        private int _next;

        public void Add(ReadOnlySpan<byte> row)
        {
            row[..SampleSize].CopyTo(_pixels.AsSpan(_next * SampleSize));
            _labels[_next++] = row[SampleSize];
        }

        public ImageSet ToImageSet() => new(_pixels, _labels, 1, Side, Side, Classes, 1f / Brightest);
    }
}
