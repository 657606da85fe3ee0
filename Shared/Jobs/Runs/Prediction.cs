using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Distributed.Jobs.Runs;

/// <summary>What a model says of one image, or why it cannot. As a line of JSON: what a worker writes, and what <c>predict --json</c> lists.</summary>
internal sealed record Prediction
{
    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The image, as the user named it.</summary>
    public required string File { get; init; }

    /// <summary>The most probable class; null where there is an <see cref="Error"/>, as are the members below.</summary>
    public string? Label { get; init; }

    /// <summary>Probability of <see cref="Label"/>, 0 to 1.</summary>
    public float? Probability { get; init; }

    /// <summary>Probability of every class, in the order of the classes; together 1.</summary>
    public OrderedDictionary<string, float>? Probabilities { get; init; }

    /// <summary>What the model gives out for every class, before the softmax.</summary>
    public IReadOnlyList<float>? Logits { get; init; }

    /// <summary>Why there is no prediction: what is wrong with the file.</summary>
    public string? Error { get; init; }

    /// <param name="logits">One finite number a class, at least one.</param>
    /// <param name="labels">The classes' names, each unique.</param>
    public static Prediction Of(string file, float[] logits, IReadOnlyList<string> labels)
    {
        var largest = logits.Max();
        double[] shares = [.. logits.Select(logit => Math.Exp((double)logit - largest))];
        var sum = shares.Sum();
        var best = Array.IndexOf(logits, largest);
        return new()
        {
            File = file,
            Label = labels[best],
            Probability = (float)(shares[best] / sum),
            Probabilities = new(shares.Select((share, i) => KeyValuePair.Create(labels[i], (float)(share / sum)))),
            Logits = logits,
        };
    }

    public string ToLine() => JsonSerializer.Serialize(this, _options);

    /// <exception cref="JsonException">It is none.</exception>
    public static Prediction Parse(string line) =>
        JsonSerializer.Deserialize<Prediction>(line, _options) ?? throw new JsonException("null is no prediction");
}
