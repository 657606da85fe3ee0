using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>The colour of a class: ten that are told apart well (Tableau 10), then the same ones again.</summary>
internal static class ClassColours
{
    private static readonly SKColor[] _colours =
    [
        new(0xff4e79a7), new(0xfff28e2b), new(0xffe15759), new(0xff76b7b2), new(0xff59a14f),
        new(0xffedc948), new(0xffb07aa1), new(0xffff9da7), new(0xff9c755f), new(0xffbab0ac),
    ];

    public static SKColor Of(int number) => _colours[number % _colours.Length];
}
